import type {Frame} from '../console.js';
import {footerLine} from '../layout/footer.js';
import {Row} from './Row.js';

/** Renders the last row: the input, the last message, or the keys of this screen. */
export function Footer({frame}: {readonly frame: Frame}) {
	return <Row line={footerLine(frame)} />;
}
