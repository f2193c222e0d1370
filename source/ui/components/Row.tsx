import {Text} from 'ink';
import {memo, use} from 'react';
import {PaintContext} from '../paint.js';
import {sameLine, type Line} from '../text.js';

type Props = {readonly line: Line};

/** One row of the screen. It never wraps, and it is drawn anew only when it says something else. */
export const Row = memo(
	function Row({line}: Props) {
		const paint = use(PaintContext);
		return <Text wrap="truncate">{paint(line) || ' '}</Text>;
	},
	(before, after) => sameLine(before.line, after.line),
);
