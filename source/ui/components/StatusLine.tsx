import type {Frame} from '../console.js';
import {statusLine} from '../layout/status-line.js';
import {Row} from './Row.js';

/** Renders everything that a terminal under 40×8 shows. */
export function StatusLine({frame}: {readonly frame: Frame}) {
	return <Row line={statusLine(frame)} />;
}
