/**
 * Sizes and limits of the wire format, in bytes unless said otherwise. Every one is enforced by a parser or a writer.
 */

/** The UDP payload that crosses any IPv6 path: 1280 - 40 (IPv6) - 8 (UDP) (RFC 8200 section 5). */
export const DATAGRAM_SIZE = 1232;
/** What Ethernet carries: 1500 - 40 (IPv6) - 8 (UDP). */
export const ETHERNET_DATAGRAM = 1452;
/** What jumbo frames carry: 9000 - 20 (IPv4) - 8 (UDP). */
export const JUMBO_DATAGRAM = 8972;
/** Larger datagrams are dropped unread. What a loopback interface carries in one piece: 65536 - 40 (IPv6) - 8 (UDP). */
export const MAX_DATAGRAM = 65_488;
/** Member indices are 16 bits on the wire; bitmaps of members bound a control datagram. */
export const MAX_MEMBERS = 512;
/** Locators of one member that are kept. */
export const MAX_LOCATORS = 8;

/** Type, receiver index and packet number of a protected datagram; its tag. */
export const PROTECTED_HEADER = 1 + 4 + 4;
export const PROTECTED_TAG = 16;
/** All that surrounds the frames of a datagram. */
export const PROTECTED_OVERHEAD = PROTECTED_HEADER + PROTECTED_TAG;
export const FRAME_TYPE_SIZE = 1;

/** Half of the text of a datagram that Ethernet carries. */
export const MAX_PART = Math.ceil((ETHERNET_DATAGRAM - PROTECTED_OVERHEAD) / 2);

/** SHA-256. A stream's digest is said whole: an origin that lies may look for two objects whose digests begin alike. */
export const HASH_SIZE = 32;
export const SIGNATURE_SIZE = 64;
/** Bytes of a Merkle node, of which a manifest has one for each symbol; of a root: the uppermost node and zeros. */
export const NODE_SIZE = 16;
export const ROOT_SIZE = 20;

/** Bytes of a VECTOR's bitmap of objects held beyond a gap. */
export const MAX_AHEAD = 32;

/** Bytes of a TRANSFER's bitmap: of slices of 2 MiB so many come to 8 GiB. And of its reason. */
export const MAX_TRANSFER_AHEAD = 512;
export const MAX_TRANSFER_REASON = 200;

/** Entries of one stream in a VECTOR: who differs from us is told at 24 counts at most, and the claim. */
export const MAX_STREAM_ENTRIES = 32;

/** Places in the tree of one signature. */
export const MAX_BATCH = 256;
export const MAX_PROOF_DEPTH = 8;
/** Symbols of a share, which one manifest lists: two such manifests are no more than a datagram and a half. */
export const MAX_SHARE = 32;
/** Object id, OTI and hash: what a batch signature covers besides the root. */
export const DESCRIPTOR_SIZE = 2 + 6 + 4 + 5 + 2 + 1 + HASH_SIZE;
/** Descriptor, Merkle root and the origin's signature over them: what shows that it broadcast the object. */
export const CERTIFICATE_SIZE = DESCRIPTOR_SIZE + ROOT_SIZE + SIGNATURE_SIZE;
/** SBN, ESI and first hop. */
export const LEAF_HEADER_SIZE = 1 + 3 + 2;
/** The largest SYMBOL body with one symbol: an ACK_POLICY of 6 bytes fits beside it. */
export const MAX_SYMBOL_BODY = DATAGRAM_SIZE - PROTECTED_OVERHEAD - FRAME_TYPE_SIZE - 6;
/** Symbols of a batch that go out in SYMBOLs, each with its proof. */
export const MAX_INLINE_BATCH = 32;
const INLINE_DEPTH = 5;
/** Symbol alignment Al of RFC 6330 section 4.3: SIMD lanes. */
export const SYMBOL_ALIGNMENT = 16;
/** T of what goes out in SYMBOLs, at most: fits a datagram of the default size with all that a symbol of a full batch takes. */
export const MAX_INLINE_SYMBOL = aligned(
  MAX_SYMBOL_BODY - DESCRIPTOR_SIZE - 2 - SIGNATURE_SIZE - INLINE_DEPTH * NODE_SIZE - LEAF_HEADER_SIZE,
);
/** What a symbol takes besides itself that refers to a manifest: LISTED has number, place and length, SERVED number, SBN and ESI. */
export const LISTED_OVERHEAD = FRAME_TYPE_SIZE + 2 + 1 + 2;
export const RUN_OVERHEAD = FRAME_TYPE_SIZE + 2 + 1 + 3;
/** The largest T of which a symbol that refers to a manifest fits a datagram of so many bytes. */
export function symbolSizeFor(datagramSize: number): number {
  return aligned(datagramSize - PROTECTED_OVERHEAD - Math.max(LISTED_OVERHEAD, RUN_OVERHEAD));
}
function aligned(bytes: number): number {
  return Math.floor(bytes / SYMBOL_ALIGNMENT) * SYMBOL_ALIGNMENT;
}
/** T: a larger symbol would not fit what Ethernet carries, nor two datagrams of the default size. */
export const MAX_SYMBOL_SIZE = symbolSizeFor(ETHERNET_DATAGRAM);

/** ESIs are 24 bits (RFC 6330 section 3.2). An origin that needs more than this many beyond K is not served. */
export const MAX_REPAIR_SYMBOLS = 1 << 18;
/** Block count Z is 8 bits in the OTI (RFC 6330 section 3.3.3). */
export const MAX_SOURCE_BLOCKS = 255;
/** K: about 0.6 MB a block. One solve takes a few milliseconds, and losses show while later blocks are still going. */
export const BLOCK_SYMBOLS = 512;

/** K of an object of `length` bytes, at most: more than BLOCK_SYMBOLS only if the largest T and Z would not hold it else. */
export function maxBlockSymbols(length: number): number {
  return Math.max(
    BLOCK_SYMBOLS,
    Math.ceil(Math.ceil(length / symbolSizeFor(DATAGRAM_SIZE)) / MAX_SOURCE_BLOCKS),
  );
}

/** Deficits of one object that fit a PROGRESS frame; the others are reported in later ones. */
export const MAX_PROGRESS_ENTRIES = 64;
