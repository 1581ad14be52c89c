/**
 * The formats of docs/PROTOCOL.md once more, written from its text with node:crypto alone: nothing here comes from src.
 * Plain and slow on purpose. Section numbers are those of that document.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  sign as signWith,
  verify as verifyWith,
} from 'node:crypto';

// ---- 1. conventions

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const unhex = (text: string): Buffer => Buffer.from(text, 'hex');
export const join = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);
export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
export const hash = (...parts: Uint8Array[]): Buffer =>
  createHash('sha256')
    .update(join(...parts))
    .digest();

/** An unsigned integer of `length` bytes, big-endian. */
export function uint(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt(value);
  for (let i = length - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

function littleEndian(value: number, length: number): Buffer {
  return uint(value, length).reverse();
}

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Buffer {
  return createHmac('sha256', key)
    .update(join(...parts))
    .digest();
}

function seal(key: Uint8Array, nonce: Uint8Array, additional: Uint8Array, text: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(additional, { plaintextLength: text.length });
  return join(cipher.update(text), cipher.final(), cipher.getAuthTag());
}

/** Throws if it is not genuine. */
function open(key: Uint8Array, nonce: Uint8Array, additional: Uint8Array, sealed: Uint8Array): Buffer {
  const end = sealed.length - 16;
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  decipher.setAAD(additional, { plaintextLength: end });
  decipher.setAuthTag(sealed.subarray(end));
  return join(decipher.update(sealed.subarray(0, end)), decipher.final());
}

// ---- 2. keys and group

const der = {
  edSecret: '302e020100300506032b657004220420',
  edPublic: '302a300506032b6570032100',
  xSecret: '302e020100300506032b656e04220420',
  xPublic: '302a300506032b656e032100',
};
const secretKey = (prefix: string, raw: Uint8Array) =>
  createPrivateKey({ key: join(unhex(prefix), raw), format: 'der', type: 'pkcs8' });
const publicKey = (prefix: string, raw: Uint8Array) =>
  createPublicKey({ key: join(unhex(prefix), raw), format: 'der', type: 'spki' });
const rawOf = (secret: ReturnType<typeof createPrivateKey>) =>
  createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32);

export const identityOf = (seed: Uint8Array): Buffer => rawOf(secretKey(der.edSecret, seed));
export const signed = (seed: Uint8Array, message: Uint8Array): Buffer =>
  signWith(null, message, secretKey(der.edSecret, seed));
export const holds = (identity: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  verifyWith(null, message, publicKey(der.edPublic, identity), signature);

export function staticSecretOf(seed: Uint8Array): Buffer {
  const secret = createHash('sha512').update(seed).digest().subarray(0, 32);
  secret[0] &= 248;
  secret[31] = (secret[31] & 127) | 64;
  return secret;
}

/** u = (1 + y) / (1 - y) */
export function staticKeyOf(identity: Uint8Array): Buffer {
  const p = 2n ** 255n - 19n;
  const power = (base: bigint, exponent: bigint): bigint => {
    if (exponent === 0n) return 1n;
    const half = power((base * base) % p, exponent / 2n);
    return exponent % 2n === 1n ? (half * base) % p : half;
  };
  const y = BigInt(`0x${hex(Buffer.from(identity).reverse())}`) % 2n ** 255n;
  const u = ((1n + y) * power((1n - y + p) % p, p - 2n)) % p;
  return unhex(u.toString(16).padStart(64, '0')).reverse();
}

export const exchangePublic = (secret: Uint8Array): Buffer => rawOf(secretKey(der.xSecret, secret));
const agree = (secret: Uint8Array, theirs: Uint8Array): Buffer =>
  diffieHellman({ privateKey: secretKey(der.xSecret, secret), publicKey: publicKey(der.xPublic, theirs) });

export function groupId(name: string, faulty: number, byzantine: number, identities: Uint8Array[]): Buffer {
  const sorted = [...identities].sort(Buffer.compare);
  return hash(
    ascii('headwater group v1\0'),
    Buffer.from(name, 'utf8'),
    ascii(`\0${faulty}\0${byzantine}\0`),
    ...sorted,
  );
}

// ---- 2.2 the file, told to a member that has only the id

export interface DescriptorQuestion {
  nonce: Uint8Array;
  groupId: Uint8Array;
  identity: Uint8Array;
  piece: number;
}

export function descriptorAsk({ nonce, groupId: id, identity, piece }: DescriptorQuestion): Buffer {
  const fields = join(Buffer.of(0x3c), nonce, id, identity, uint(piece, 2));
  return join(fields, Buffer.alloc(1232 - fields.length));
}

export function descriptor(
  question: DescriptorQuestion,
  tellerSeed: Uint8Array,
  salt: Uint8Array,
  pieces: number,
  bytes: Uint8Array,
): Buffer {
  const { nonce, groupId: id, identity, piece } = question;
  const shared = agree(staticSecretOf(tellerSeed), staticKeyOf(identity));
  const key = hmac(shared, ascii('headwater descriptor v1\0'), nonce, id, uint(piece, 2), salt);
  const header = join(Buffer.of(0x3d), nonce, Buffer.of(0), identityOf(tellerSeed), salt, uint(piece, 2));
  return join(header, seal(key, Buffer.alloc(12), header, join(uint(pieces, 2), bytes)));
}

/** What the datagram holds, to the one who has asked. */
export function openDescriptor(
  question: DescriptorQuestion,
  askerSeed: Uint8Array,
  datagram: Buffer,
): Buffer {
  const { nonce, groupId: id, piece } = question;
  const [teller, salt] = [datagram.subarray(18, 50), datagram.subarray(50, 66)];
  const shared = agree(staticSecretOf(askerSeed), staticKeyOf(teller));
  const key = hmac(shared, ascii('headwater descriptor v1\0'), nonce, id, uint(piece, 2), salt);
  return open(key, Buffer.alloc(12), datagram.subarray(0, 68), datagram.subarray(68));
}

// ---- 4. sessions

/** The SymmetricState of Noise, as far as IK needs it. */
class Noise {
  chainingKey = ascii('Noise_IK_25519_ChaChaPoly_SHA256');
  transcript = this.chainingKey;
  private key: Buffer = Buffer.alloc(32);
  private count = 0;

  mixHash(data: Uint8Array): void {
    this.transcript = hash(this.transcript, data);
  }

  mixKey(material: Uint8Array): void {
    [this.chainingKey, this.key] = this.derive(material);
    this.count = 0;
  }

  derive(material: Uint8Array): [Buffer, Buffer] {
    const secret = hmac(this.chainingKey, material);
    const first = hmac(secret, Buffer.of(1));
    return [first, hmac(secret, first, Buffer.of(2))];
  }

  encrypt(text: Uint8Array): Buffer {
    const sealed = seal(this.key, this.nonce(), this.transcript, text);
    this.mixHash(sealed);
    return sealed;
  }

  decrypt(sealed: Uint8Array): Buffer {
    const text = open(this.key, this.nonce(), this.transcript, sealed);
    this.mixHash(sealed);
    return text;
  }

  private nonce(): Buffer {
    return join(Buffer.alloc(4), littleEndian(this.count++, 8));
  }
}

export interface Keys {
  initiatorSends: Buffer;
  responderSends: Buffer;
  handshakeHash: Buffer;
}

/** What a RESPONSE says, and the keys. */
export interface Answer extends Keys {
  index: number;
  incarnation: number;
  nextNumber: number;
  version: number;
  /** Of the initiator, the incarnation that counts at the responder. */
  counting: number;
  lowest: number;
  highest: number;
  features: string;
  chosen: number;
}

/** The initiator of 4.1: its INITIATION, and how it reads the RESPONSE. */
export function initiate(options: {
  groupId: Uint8Array;
  seed: Uint8Array;
  responder: Uint8Array;
  ephemeralSecret: Uint8Array;
  index: number;
  incarnation: number;
  counter: number;
  nextNumber: number;
  version: number;
  lowest: number;
  highest: number;
  /** 8 bytes as hex. */
  features: string;
  /** What a later build has to say besides. */
  more?: Uint8Array;
  cookie?: Uint8Array;
}): { datagram: Buffer; readResponse(datagram: Uint8Array): Answer } {
  const { ephemeralSecret, index } = options;
  const ourStatic = staticSecretOf(options.seed);
  const theirStatic = staticKeyOf(options.responder);
  const head = join(Buffer.of(0x31), uint(index, 4));
  const noise = new Noise();
  noise.mixHash(join(ascii('headwater session\0'), Buffer.of(3), options.groupId, head));
  noise.mixHash(theirStatic);
  const ephemeral = exchangePublic(ephemeralSecret);
  noise.mixHash(ephemeral);
  noise.mixKey(agree(ephemeralSecret, theirStatic));
  const sealedStatic = noise.encrypt(exchangePublic(ourStatic));
  noise.mixKey(agree(ourStatic, theirStatic));
  const { incarnation, counter, nextNumber, version, more = Buffer.alloc(0) } = options;
  const payload = join(
    uint(incarnation, 6),
    uint(counter, 4),
    uint(nextNumber, 6),
    uint(version, 2),
    dialect(options),
    more,
  );
  const start = join(head, ephemeral, sealedStatic, noise.encrypt(payload));
  const withMac1 = join(start, hmac(hash(ascii('headwater mac1\0'), theirStatic), start).subarray(0, 16));
  const mac2 = options.cookie ? hmac(options.cookie, withMac1).subarray(0, 16) : Buffer.alloc(16);
  return {
    datagram: join(withMac1, mac2),
    readResponse(datagram) {
      const response = Buffer.from(datagram);
      if (response.length < 92 || response[0] !== 0x32 || response.readUInt32BE(5) !== index)
        throw new Error(`no RESPONSE to ours: ${hex(response)}`);
      const theirs = response.subarray(9, 41);
      noise.mixHash(theirs);
      noise.mixKey(agree(ephemeralSecret, theirs));
      noise.mixKey(agree(ourStatic, theirs));
      const text = noise.decrypt(response.subarray(41));
      if (text.readUInt32BE(12) !== response.readUInt32BE(1)) throw new Error('two sender indices');
      return {
        ...split(noise),
        incarnation: text.readUIntBE(0, 6),
        nextNumber: text.readUIntBE(6, 6),
        index: text.readUInt32BE(12),
        version: text.readUInt16BE(16),
        counting: text.readUIntBE(18, 6),
        lowest: text[24],
        highest: text[25],
        features: hex(text.subarray(26, 34)),
        chosen: text[34],
      };
    },
  };
}

/** The responder of 4.1: the RESPONSE to an INITIATION, and the keys. */
export function respond(
  initiation: Uint8Array,
  options: {
    groupId: Uint8Array;
    seed: Uint8Array;
    ephemeralSecret: Uint8Array;
    index: number;
    incarnation: number;
    nextNumber: number;
    version: number;
    /** Default: the initiator's own. */
    counting?: number;
    lowest: number;
    highest: number;
    features: string;
    chosen: number;
    more?: Uint8Array;
  },
): { datagram: Buffer; keys: Keys } {
  const first = Buffer.from(initiation);
  const { ephemeralSecret, index } = options;
  const ourStatic = staticSecretOf(options.seed);
  const noise = new Noise();
  noise.mixHash(join(ascii('headwater session\0'), Buffer.of(3), options.groupId, first.subarray(0, 5)));
  noise.mixHash(exchangePublic(ourStatic));
  const theirEphemeral = first.subarray(5, 37);
  noise.mixHash(theirEphemeral);
  noise.mixKey(agree(ourStatic, theirEphemeral));
  const theirStatic = noise.decrypt(first.subarray(37, 85));
  noise.mixKey(agree(ourStatic, theirStatic));
  const said = noise.decrypt(first.subarray(85, first.length - 32));
  const ephemeral = exchangePublic(ephemeralSecret);
  noise.mixHash(ephemeral);
  noise.mixKey(agree(ephemeralSecret, theirEphemeral));
  noise.mixKey(agree(ephemeralSecret, theirStatic));
  const { incarnation, nextNumber, version, counting = said.readUIntBE(0, 6) } = options;
  const payload = join(
    uint(incarnation, 6),
    uint(nextNumber, 6),
    uint(index, 4),
    uint(version, 2),
    uint(counting, 6),
    dialect(options),
    uint(options.chosen, 1),
    options.more ?? Buffer.alloc(0),
  );
  const head = join(Buffer.of(0x32), uint(index, 4), first.subarray(1, 5));
  return { datagram: join(head, ephemeral, noise.encrypt(payload)), keys: split(noise) };
}

/** What of the protocol its sender speaks. */
function dialect({ lowest, highest, features }: { lowest: number; highest: number; features: string }) {
  return join(uint(lowest, 1), uint(highest, 1), unhex(features));
}

function split(noise: Noise): Keys {
  const [initiatorSends, responderSends] = noise.derive(Buffer.alloc(0));
  return { initiatorSends, responderSends, handshakeHash: noise.transcript };
}

/** 4.2: the cookie in a COOKIE that answers `initiation`. */
export function readCookie(responder: Uint8Array, initiation: Uint8Array, datagram: Uint8Array): Buffer {
  const cookieKey = hash(ascii('headwater cookie\0'), staticKeyOf(responder));
  const key = hmac(cookieKey, datagram.subarray(5, 21));
  return open(key, Buffer.alloc(12), initiation.subarray(-32, -16), datagram.subarray(21));
}

/** 4.4: DATA (0x34) or CONTROL (0x35). */
export function protect(
  kind: number,
  key: Uint8Array,
  receiver: number,
  number: number,
  text: Uint8Array,
): Buffer {
  const header = join(Buffer.of(kind), uint(receiver, 4), uint(number % 2 ** 32, 4));
  return join(header, seal(key, dataNonce(kind, number), header, text));
}

/** Its text; `number` is the full packet number. Throws if it is not genuine. */
export function unprotect(key: Uint8Array, number: number, datagram: Uint8Array): Buffer {
  return open(key, dataNonce(datagram[0], number), datagram.subarray(0, 9), datagram.subarray(9));
}

function dataNonce(kind: number, number: number): Buffer {
  return join(littleEndian(kind === 0x35 ? 1 : 0, 4), littleEndian(number, 8));
}
