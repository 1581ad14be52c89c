/** OBSERVED_ADDRESS: where its sender sees who receives it. An address, see ../../address.ts */
import { addressSize, readAddress, writeAddress } from '../../address.js';
import type { FrameType } from '../frame.js';

export interface ObservedAddressFrame {
  kind: 'observed-address';
  /** Numeric. */
  address: string;
}

export const observedAddress: FrameType<ObservedAddressFrame> = {
  type: 70,
  name: 'observed-address',
  feature: 'locators',
  eliciting: true,
  parse: (reader) => ({ kind: 'observed-address', address: readAddress(reader) }),
  size: ({ address }) => addressSize(address),
  write: (writer, { address }) => writeAddress(writer, address),
};
