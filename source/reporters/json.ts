import {jsonLine} from '../lib/json-line.js';
import type {Source} from './plain.js';

/** Every event as it is, one JSON object a line, on `write` (stdout). Returns the function that ends it. */
export function startJsonReporter(source: Pick<Source, 'subscribe'>, write: (text: string) => void): () => void {
	return source.subscribe(event => write(`${jsonLine(event)}\n`));
}
