/**
 * The words of codes: 1024, so 10 bits each, of four to nine letters. No two differ in one letter alone, so that a slip is seen as one.
 */
export const WORDS: readonly string[] = `
acorn acrobat actor adobe agenda airport album alcove algebra almanac almond alpaca alpine amber amulet anchor angel
angler ankle anthem anvil apple apricot apron arcade archer arena armor arrow artist aspen asphalt aster athlete atlas
atom attic auburn august author autumn avenue avocado axle azure bacon badger bagel bagpipe bakery balcony ballad
ballet bamboo banana bandit banjo banner baobab barber barley barn barrel basalt basil basket bassoon bathtub battery
bayou bazaar beagle beaver bedrock beehive beetle belfry bell bench beret berry bicycle birch biscuit bison blanket
blazer blimp blossom blouse bonfire bonnet border botany bottle boulder bouquet boxcar bravo breeze brewery brick
bridge brigade brioche bronze brook brownie bubble bucket buckle buffalo bugle bulldog bumper bunker burrow butcher
butter button buzzard cabaret cabbage cabin cable cactus cadet calcium camel camera campus canal canary candle canoe
canopy canteen canvas canyon caramel caravan carbon cargo caribou carpet cartoon carving cascade cashew casino castle
catalog catfish caviar cedar celery cellar cello cement census ceramic cereal chalk chamber chapel chariot cheetah
cherry chess chicken chimney chisel chorus cider cinema circle circus citrus classic clay cliff climate clinic cloak
clockwork closet cloud clover cluster coach cobalt cobbler cobra cockpit coconut coffee collage colony comet compass
concert condor copper coral cork corner cosmos cottage cotton cougar council country cowboy coyote cradle crane crater
crayon cricket crocus crossover crown crystal cuckoo curator curfew curtain cushion custard cyclone cymbal cypress
dairy dancer decade decoy delta denim dentist depot derby desert desktop detour dewdrop diagram dialect diamond diesel
digit dimple diner dinghy diploma dipper disco dolphin domino donkey dorsal dragon drama drapery drawer dresser
drizzle drum dugout dune dungeon duplex dustpan dynamo earring easel echo eclipse edition elbow elder elixir embassy
emblem emerald emperor empire enamel encore engine epoch equator eraser escort essay estuary ethanol etude evening
everest exhibit expert express eyebrow fabric facade factory falcon fanfare farmer fathom feather fencing fender
fennel fern fiber fiction fiddle firefly fisher fjord flame flannel flask fleet flint flipper floor flute foghorn
folder fondue forest formula fossil foundry freckle freezer freight fresco friday frog frost fruit fudge furnace
gadget galaxy gallery gallon garage garden garland garlic garnet gateway gazelle gazette gecko general geyser gibbon
ginger giraffe glacier glider glimmer globe glucose gnome goblet gondola goose gopher gorilla gourd granite grape
gravel gravity grizzly grocery grotto grove guitar gulf gumdrop gymnast gypsum habitat hacksaw hallway halo hammer
hammock hamster handbag hangar harbor harmony harness harp harvest hatchet hawk hazel helium helmet hemlock herald
herb hermit heron hexagon hiccup highway hiker hobby hockey holiday hollow holly honey hoodie horizon hornet horse
hostel hubcap hummus hunter hurdle husky hydrant hyena hymn iceberg icicle idiom igloo iguana impala inbox incense
index indigo inkwell insect iris iron island italic ivory jackal jacket jaguar jasmine javelin jawbone jelly jersey
jester jewel jigsaw journal juggler juice jukebox jungle juniper jupiter justice kale karaoke kayak keel kernel
kestrel kettle keyhole khaki kidney kimono kingdom kiosk kitchen kite kitten kiwi knight knuckle koala lacquer ladder
ladybug lagoon lamp lantern laptop larch laser lasso lattice laundry laurel lawyer lecture ledger legend lentil
leopard lettuce lever lexicon library lichen lilac lily linen lion lizard llama lobster locket locust lodge logbook
lotus lounge lullaby lumber lunar lynx lyric machine magenta magnet mailbox majesty mallard mammoth mango mansion
mantle maple marble margin marina marquee mascot mason maxim mayor meadow medal medley melody melon memoir menthol
mercury merlin meteor metro microbe mileage mimosa mineral minnow mint minute mirage mirror mixture model monarch
monday monitor monsoon morning mortar mosaic muffin muscle museum music mustang myrtle mystery napkin narwhal nebula
nectar needle neptune neutron nickel nimbus ninja nomad noodle nougat novel nozzle nucleus nugget nurse nutmeg nylon
nymph oasis oatmeal obelisk oboe ocean octagon octave october octopus odyssey office olive omelet onion onyx opal
opera optic oracle orange orbit orchard orchid oregano organ origami oriole osprey ostrich otter outback outfit oven
oxygen oyster ozone pacific package paddle padlock pagoda palace palette pancake panda panther papaya paper paprika
papyrus parade parasol parcel park parlor parrot parsley parsnip pasta pastel patio patrol peacock peanut pebble
pelican pencil pendant penguin pepper perfume petal phantom phoenix physics pianist pickle picnic pigeon pigment
pilgrim pillow pilot pioneer pirate pitcher pixel pizza planet plateau plaza plume plywood podium poem polar polka
pollen polo poncho pond popcorn poppy potato pottery powder prairie prelude pretzel printer prism profile protein
proverb pudding pueblo pulley pulse pumice pumpkin pupil puppet puzzle pyramid python quail quarry quartz quasar
quiche quill quince quiver quota rabbit raccoon radar radio radish rafter railway rainbow raisin rampart ranch rapids
raptor raven ravioli rebound recipe record redwood referee reflex regatta relic reptile resin retina rhubarb rhythm
ringlet ripple ritual river robin robot rodeo romance rooftop rooster rotunda rowboat rubber ruby rudder ruffle runway
safari saffron sailor salad salmon salsa salute samurai sandal sardine satchel satin saturn saucer savanna sawmill
scallop scarf scholar school scooter scroll seagull season seaweed senator sequoia serpent sesame shadow shampoo
shanty sheriff shovel shrimp shuttle signal silicon silver siphon siren skater sketch skillet skylark sleigh snail
sneaker snorkel snowman soccer soldier sonata sorbet soybean spaniel sparrow spatula sphere spider spinach spiral
sponge spoon spruce squash squid stadium stanza station statue steamer stencil stereo steward stirrup stork stove
student studio subway sugar sulfur summit sundial surgeon sushi swallow swan sweater swift switch symbol syrup tablet
tackle tadpole taffy talcum talon tandem tarmac tartan tavern taxi teapot temple tempo tennis tent terrace textile
theater thermos thicket thimble thistle throne thunder thyme tiara tiger timber tinsel titan toaster tomato topaz
tornado toucan tourist tower tractor traffic trailer transit trapeze tribune trident trinket trolley trophy trout
trumpet tugboat tulip tundra tunnel turbine turkey turnip turtle tuxedo typhoon ukulele unicorn uniform uranium urchin
utensil vacuum valley vanilla vapor varnish vault vector vehicle velvet vendor veranda vertex vessel veteran viaduct
vibrato victory video village vinegar vintage viola violet viper visitor vista vitamin volcano voyage vulture waffle
wagon waiter walnut walrus waltz warbler wardrobe warrior wasp wealth webcam wedding weekend whale wheat whisker
wicker widget wigwam windmill winter wolf wombat woodland workshop wreath wrench wrestler xenon yacht yearbook yeast
yoga yogurt yolk zebra zenith zephyr zeppelin zigzag zinc zodiac zoology zucchini
`
  .trim()
  .split(/\s+/);
