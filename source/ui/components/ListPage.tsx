import {Box} from 'ink';
import type {Frame} from '../console.js';
import {type Line, span} from '../text.js';
import {Busy} from './Busy.js';
import {Footer} from './Footer.js';
import {Rows} from './Rows.js';

type Props = {
	readonly frame: Frame;
	readonly header: readonly Line[];
	readonly list: readonly Line[];
	/** Between the list and the footer. */
	readonly status?: readonly Line[];
	readonly busy?: boolean;
};

/** Renders a list that fills the screen. */
export function ListPage({frame, header, list, status = [], busy = false}: Props) {
	const [first, ...rest] = status;
	return (
		<Box flexDirection="column">
			<Rows lines={header} height={header.length} />
			<Rows lines={list} height={frame.rows - header.length - 1 - status.length} />
			{first !== undefined && <Busy line={first} busy={busy} frame={frame} />}
			{rest.length > 0 && <Rows lines={rest.map(line => [span(' '), ...line])} height={rest.length} />}
			<Footer frame={frame} />
		</Box>
	);
}
