import {Box} from 'ink';
import {Footer} from '../components/Footer.js';
import {Rows} from '../components/Rows.js';
import type {Frame} from '../console.js';
import {logsScreen} from '../layout/logs-screen.js';

/** Renders the log, in the words of the plain log. */
export function Logs({frame}: {readonly frame: Frame}) {
	const {header, list} = logsScreen(frame);
	const footer = frame.view.logs.full && frame.view.editing === undefined ? 0 : 1;
	return (
		<Box flexDirection="column">
			<Rows lines={header} height={header.length} />
			<Rows lines={list} height={frame.rows - header.length - footer} />
			{footer === 1 && <Footer frame={frame} />}
		</Box>
	);
}
