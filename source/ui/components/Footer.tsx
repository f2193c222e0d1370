import {footerLine} from '../layout/footer.js';
import type {Frame} from '../console.js';
import {Row} from './Row.js';

/** The last row: what is being typed, what just happened, or the keys of this screen. */
export function Footer({frame}: {readonly frame: Frame}) {
	return <Row line={footerLine(frame)} />;
}
