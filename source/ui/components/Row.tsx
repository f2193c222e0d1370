import {Text} from 'ink';
import {memo, use} from 'react';
import {PaintContext} from '../paint.js';
import {type Line, sameLine} from '../text.js';

type Props = {readonly line: Line};

/** Renders one row of the screen. It never wraps, and is only redrawn when its text changes. */
export const Row = memo(
	function Row({line}: Props) {
		const paint = use(PaintContext);
		return <Text wrap="truncate">{paint(line) || ' '}</Text>;
	},
	(before, after) => sameLine(before.line, after.line),
);
