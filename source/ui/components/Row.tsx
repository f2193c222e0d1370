import {Text} from 'ink';
import {memo} from 'react';
import {sameLine, type Line} from '../text.js';
import {theme} from '../theme.js';

type Props = {readonly line: Line};

/** One row of the screen. It never wraps, and it is drawn anew only when it says something else. */
export const Row = memo(
	function Row({line}: Props) {
		if (line.length === 0) return <Text> </Text>;
		return (
			<Text wrap="truncate">
				{line.map((one, index) => (
					<Text key={index} {...theme[one.tone ?? 'plain']} inverse={one.inverse}>
						{one.text}
					</Text>
				))}
			</Text>
		);
	},
	(before, after) => sameLine(before.line, after.line),
);
