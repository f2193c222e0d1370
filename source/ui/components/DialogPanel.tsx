import type {Frame} from '../console.js';
import type {Dialog} from '../dialog.js';
import {dialogScreen} from '../layout/dialogs.js';
import {Rows} from './Rows.js';

/** Renders a question or a panel over the screen. */
export function DialogPanel({frame, dialog}: {readonly frame: Frame; readonly dialog: Dialog}) {
	return <Rows lines={dialogScreen(dialog, frame)} height={frame.rows} />;
}
