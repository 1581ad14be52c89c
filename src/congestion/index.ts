/**
 * Controllers by name: the one list of them, from which `--controller`, the library's option of that name and their texts
 * come. The default is `bbr`, the only one that fills a line with random loss; docs/CONGESTION.md has the numbers.
 */
import { Bbr } from './bbr/bbr.js';
import type { ControllerFactory } from './controller.js';
import { cubic } from './cubic.js';
import { newReno } from './newreno.js';

/** A congestion controller; docs/CONGESTION.md compares them. */
export type ControllerName = 'bbr' | 'cubic' | 'newreno';

/**
 * Controllers by name.
 *
 * @example
 * const cluster = createCluster({ seed: 'a', members: 3, controller: CONTROLLERS.cubic });
 * cluster.dispose();
 */
export const CONTROLLERS: Readonly<Record<ControllerName, ControllerFactory>> = {
  bbr: (mtu, seed) => new Bbr(mtu, seed),
  cubic,
  newreno: newReno,
};

export const DEFAULT_CONTROLLER: ControllerName = 'bbr';
/** Those that take every loss for congestion: at much random loss they hardly move. */
export const LOSS_BASED: ReadonlySet<string> = new Set<ControllerName>(['cubic', 'newreno']);
