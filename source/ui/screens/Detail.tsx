import {Box} from 'ink';
import {Footer} from '../components/Footer.js';
import {Rows} from '../components/Rows.js';
import type {Frame} from '../console.js';
import {detailScreen} from '../layout/detail-screen.js';

/** All that is known of one job. */
export function Detail({frame}: {readonly frame: Frame}) {
	const {header, list} = detailScreen(frame);
	return (
		<Box flexDirection="column">
			<Rows lines={header} height={header.length} />
			<Rows lines={list} height={frame.rows - header.length - 1} />
			<Footer frame={frame} />
		</Box>
	);
}
