import {Text} from 'ink';
import {use} from 'react';
import type {Frame} from '../console.js';
import {PaintContext} from '../paint.js';
import {cutLine, type Line, span} from '../text.js';
import {theme} from '../theme.js';
import {Row} from './Row.js';
import {Spinner} from './Spinner.js';

type Props = {readonly line: Line; readonly busy: boolean; readonly frame: Frame};

/** Renders a row for running work, with a spinner in front of it. */
export function Busy({line, busy, frame: {tick, columns, glyphs}}: Props) {
	const paint = use(PaintContext);
	if (!busy) return <Row line={[span(' '), ...line]} />;
	return (
		<Text wrap="truncate">
			{' '}
			<Text {...theme.running}>
				<Spinner tick={tick} ascii={glyphs.ascii} />
			</Text>{' '}
			{paint(cutLine(line, columns - 3, glyphs.cut))}
		</Text>
	);
}
