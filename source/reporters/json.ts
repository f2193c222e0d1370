import {jsonLine} from '../lib/json-line.js';
import type {Source} from './plain.js';

/** Writes every event unchanged, one JSON object per line, to `write` (stdout). Returns the function that stops it. */
export function startJsonReporter(source: Pick<Source, 'subscribe'>, write: (text: string) => void): () => void {
	return source.subscribe(event => write(`${jsonLine(event)}\n`));
}
