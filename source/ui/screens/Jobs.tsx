import {Box} from 'ink';
import {Footer} from '../components/Footer.js';
import {Rows} from '../components/Rows.js';
import type {Frame} from '../console.js';
import {jobsScreen} from '../layout/jobs-screen.js';

/** Renders the jobs with their progress and failures. */
export function Jobs({frame}: {readonly frame: Frame}) {
	const {header, list, log} = jobsScreen(frame);
	return (
		<Box flexDirection="column">
			<Rows lines={header} height={header.length} />
			<Rows lines={list} height={frame.rows - header.length - log.length - 1} />
			<Rows lines={log} height={log.length} />
			<Footer frame={frame} />
		</Box>
	);
}
