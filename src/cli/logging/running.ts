/** How much a running member says, which may be changed while it runs. In: a level. Out: lines on stderr, or events with --json. */
import type { Node } from '../../node/node.js';
import { note, setLogLevel, tellJson } from '../io.js';
import { type CloseLine, watchClosely } from './closely.js';
import type { LogLevel } from './level.js';

export class RunningLog {
  private readonly node: Node;
  private readonly json: boolean;
  private current: LogLevel;
  private stopWatching: (() => void) | undefined;

  /** @param level the one that is set already */
  constructor(node: Node, level: LogLevel, json: boolean) {
    this.node = node;
    this.json = json;
    this.current = level;
    this.follow();
  }

  get level(): LogLevel {
    return this.current;
  }

  /** From now on. That it is so is said in any case: who reads the log later knows why it is silent. */
  set level(level: LogLevel) {
    if (level === this.current) return;
    if (this.json) tellJson({ event: 'log-level', level, before: this.current });
    else note(`the log level is ${level} from now on, and was ${this.current}`, 'error');
    setLogLevel(level);
    this.current = level;
    this.follow();
  }

  close(): void {
    this.stopWatching?.();
    this.stopWatching = undefined;
  }

  private follow(): void {
    this.close();
    if (this.current === 'debug') this.stopWatching = watchClosely(this.node, (line) => this.tell(line));
  }

  private tell(line: CloseLine): void {
    if (this.json) tellJson({ event: 'debug', ...line });
    else note(`${line.topic} ${line.text}`, 'debug');
  }
}
