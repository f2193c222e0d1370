import {Box} from 'ink';
import {Footer} from '../components/Footer.js';
import {Rows} from '../components/Rows.js';
import {Busy} from '../components/Busy.js';
import type {Frame} from '../console.js';
import {filesScreen} from '../layout/files-screen.js';

/** What is kept where: runs and their files, at one location. */
export function Files({frame}: {readonly frame: Frame}) {
	const {header, list, status} = filesScreen(frame);
	return (
		<Box flexDirection="column">
			<Rows lines={header} height={header.length} />
			<Rows lines={list} height={frame.rows - header.length - 2} />
			<Busy line={status} busy={frame.files.state() === 'listing'} frame={frame} />
			<Footer frame={frame} />
		</Box>
	);
}
