import {Box} from 'ink';
import {blank, type Line} from '../text.js';
import {Row} from './Row.js';

type Props = {
	readonly lines: readonly Line[];
	/** The number of rows to fill. */
	readonly height: number;
};

/** Renders exactly `height` rows, so that no frame is taller than the terminal. */
export function Rows({lines, height}: Props) {
	const shown = Array.from({length: Math.max(0, height)}, (_, index) => lines[index] ?? blank);
	return (
		<Box flexDirection="column" height={shown.length} flexShrink={0}>
			{shown.map((line, index) => (
				<Row key={index} line={line} />
			))}
		</Box>
	);
}
