/** `headwater receive CODE`: finds who has the code, and receives in the group that it makes. */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { hasHazards } from '../../core/text.js';
import { keyPair } from '../../crypto/keys.js';
import { HeadwaterError, invalid } from '../../errors.js';
import { memberWith, parseGroup } from '../../group/group.js';
import { Node } from '../../node/node.js';
import { parseAt, parseCode } from '../../rendezvous/code.js';
import { MAX_NAME, PLACE_BYTES } from '../../rendezvous/contents.js';
import { type FindEvent, findSender } from '../../rendezvous/lan/find.js';
import { machineName, reservePort } from '../../rendezvous/lan/machine.js';
import { note, printJson, tellJson } from '../io.js';
import { type MemberOptions, settingsOf } from '../member.js';
import { receive } from './receiving.js';

export interface ReceiveByCodeOptions extends MemberOptions {
  out: string;
  overwrite?: boolean;
  maxSize?: number;
  exec?: string;
  at?: string;
  name?: string;
  wait: number;
  mode: 'overlay' | 'auto';
  multicastInterface?: string;
}

export async function receiveByCode(
  typed: string | undefined,
  options: ReceiveByCodeOptions,
  signal: AbortSignal,
): Promise<void> {
  const text = typed ?? process.env[CODE_VARIABLE] ?? '';
  if (text === '')
    throw new HeadwaterError(
      'INVALID_ARGUMENT',
      `receive: expected a code, as an argument or in ${CODE_VARIABLE}, or --group and --key, got neither`,
    );
  const code = parseCode(text);
  if (options.at !== undefined) code.at = parseAt(options.at, '--at');
  const name = options.name ?? machineName();
  if (name === '' || Buffer.byteLength(name) > MAX_NAME || hasHazards(name))
    throw invalid('--name', `up to ${MAX_NAME} bytes without control or invisible characters`, name);
  const secretKey = Uint8Array.from(randomBytes(32));
  const { publicKey } = keyPair(secretKey);
  // The same machine and folder: who comes back there is the one who has gone.
  const place = createHash('sha256')
    .update(`${hostname()}\0${resolve(options.out)}`)
    .digest();

  await receive(
    {
      ...options,
      count: 1,
      async start({ onEvent }) {
        const reserved = await reservePort();
        const join = {
          publicKey,
          port: reserved.port,
          name,
          place: Uint8Array.from(place.subarray(0, PLACE_BYTES)),
        };
        const wait = options.wait * 1000;
        const tell = (event: FindEvent) => tellFind(event, code.number, options.json === true);
        let bind: string | undefined;
        try {
          const { sender, group: groupText } = await findSender({ code, join, wait, signal, onEvent: tell });
          const group = parseGroup(groupText, 'group of the code');
          const from = memberWith(group, sender, 'sender of the code');
          bind = await reserved.release();
          const node = await Node.start({ ...settingsOf(options), group, secretKey, bind, onEvent });
          return { node, from };
        } finally {
          if (bind === undefined) await reserved.release();
        }
      },
    },
    signal,
  );
}

function tellFind(event: FindEvent, number: number, json: boolean): void {
  if (json) {
    if (event.type === 'looking')
      tellJson({ event: 'looking', problems: Object.fromEntries(event.problems) });
    else {
      const { type, ...rest } = event;
      printJson(type === 'full' ? { event: 'full', ...rest } : { event: 'waiting', ...rest });
    }
    return;
  }
  if (event.type === 'waiting') {
    const { address, here, expected } = event;
    note(
      `the code is right: waiting for the sender at ${address} to begin, or to let in who comes later, ${here}${expected > 0 ? ` of ${expected}` : ''} here`,
    );
  } else if (event.type === 'full')
    note(
      `the code is right, but all ${event.expected} receivers that ${event.address} expects are there; trying again in case one has gone`,
    );
  else {
    const why = [...event.problems].map(([host, reason]) => `${host}: ${reason}`).join(', ');
    note(
      `no sender of code ${number} answers yet${why === '' ? '' : ` (no multicast at ${why})`}: it has to be running`,
    );
    note(
      'if it is, in another network or where multicast does not work, use the code with @HOST:PORT that it shows',
    );
  }
}

export const CODE_VARIABLE = 'HEADWATER_CODE';
