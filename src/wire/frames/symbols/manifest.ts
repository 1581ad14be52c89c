/** MANIFEST: what symbols that refer to this number have in common. number 2 | manifest, see ../../manifest.ts */
import { type Manifest, parseManifest } from '../../manifest.js';
import type { FrameType } from '../frame.js';

export interface ManifestFrame {
  kind: 'manifest';
  /** The sender's, for this path. */
  number: number;
  manifest: Manifest;
}

export const manifest: FrameType<ManifestFrame> = {
  type: 12,
  name: 'manifest',
  eliciting: true,
  parse: (reader) => ({
    kind: 'manifest',
    number: reader.u16('manifest number'),
    manifest: parseManifest(reader),
  }),
  size: ({ manifest: { bytes } }) => NUMBER + bytes.length,
  write: (writer, { number, manifest: { bytes } }) => writer.u16(number).put(bytes),
};

const NUMBER = 2;
