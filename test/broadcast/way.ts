/** One way between two members: what the one writes to datagrams, as the other end reads it. */
import { inlineBody } from '../../src/broadcast/proof/batch.js';
import { certificateOf } from '../../src/broadcast/proof/certificate.js';
import { HeardManifests } from '../../src/broadcast/spread/manifests/heard.js';
import { type Contents, parseContents, SymbolWriter, type Told } from '../../src/wire/datagram.js';
import type { Frame } from '../../src/wire/frames.js';
import { DATAGRAM_SIZE, PROTECTED_HEADER, PROTECTED_TAG } from '../../src/wire/limits.js';
import type { Manifest } from '../../src/wire/manifest.js';
import { parseSymbol, SERVED, type SymbolFrame } from '../../src/wire/symbol.js';
import { servedSymbol } from './objects.js';

/** A symbol as it is taken in, with its body if it came in a SYMBOL. */
export interface Taken {
  frame: SymbolFrame;
  body: Uint8Array | undefined;
}

/** Numbers manifests, and never has to tell one again. */
export class Numbers implements Told {
  private readonly numbers = new Map<Manifest, number>();

  numberOf(manifest: Manifest): number | undefined {
    return this.numbers.get(manifest);
  }

  tell(manifest: Manifest): number {
    this.numbers.set(manifest, this.numbers.size);
    return this.numbers.size - 1;
  }
}

export class Way {
  private readonly told = new Numbers();
  private readonly reader = new WayReader();

  /** The symbols of the next datagram of at most `size` bytes that has any: `add` adds one or several. */
  next(add: (writer: SymbolWriter) => boolean, size = DATAGRAM_SIZE): Taken[] {
    for (;;) {
      const writer = new SymbolWriter(new Uint8Array(size), [], this.told);
      while (writer.hasRoom && add(writer));
      const bytes = writer.finish();
      if (!bytes) return [];
      const taken = this.reader.read(bytes.subarray(PROTECTED_HEADER, bytes.length - PROTECTED_TAG));
      if (taken.length > 0) return taken;
    }
  }

  /** All that `add` has, in as many datagrams as it takes. */
  all(add: (writer: SymbolWriter) => boolean): SymbolFrame[] {
    const all: SymbolFrame[] = [];
    for (let taken = this.next(add); taken.length > 0; taken = this.next(add))
      all.push(...taken.map(({ frame }) => frame));
    return all;
  }
}

/** The end where datagrams arrive. */
export class WayReader {
  private readonly heard = new HeardManifests();

  /** The symbols of a text. */
  read(text: Uint8Array): Taken[] {
    return this.symbols(parseContents(text)).map((symbol) =>
      symbol instanceof Uint8Array
        ? { frame: parseSymbol(symbol), body: symbol }
        : { frame: symbol, body: undefined },
    );
  }

  /** The same as bodies of SYMBOLs; what came in one need not parse. */
  bodies(contents: Contents): Uint8Array[] {
    return this.symbols(contents).map((symbol) => (symbol instanceof Uint8Array ? symbol : bodyOf(symbol)));
  }

  private symbols({ frames, symbol }: Contents): (Uint8Array | SymbolFrame)[] {
    return [...frames.flatMap((frame) => this.symbolsOf(frame)), ...(symbol ? [symbol] : [])];
  }

  private symbolsOf(frame: Frame): (Uint8Array | SymbolFrame)[] {
    if (frame.kind === 'sized-symbol') return [frame.body];
    if (frame.kind === 'manifest')
      return this.heard.onManifest(frame.number, frame.manifest).flatMap((held) => this.symbolsOf(held));
    if (frame.kind !== 'listed' && frame.kind !== 'served') return [];
    const found = this.heard.find(frame);
    if (found === 'malformed') throw new Error(`expected a symbol of its manifest, got ${frame.kind}`);
    if (!found) this.heard.hold(0, frame);
    return found ? [found] : [];
  }
}

/** A symbol that referred to a manifest, as the body of a SYMBOL. */
function bodyOf({ manifest, depth, index, leaf }: SymbolFrame): Uint8Array {
  if (depth === SERVED) return servedSymbol(certificateOf(manifest!), leaf, leaf.symbol, index + 1);
  return inlineBody({ manifest: manifest!, place: index - manifest!.position, symbol: leaf.symbol });
}
