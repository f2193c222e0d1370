import {Text} from 'ink';
import type {Frame} from '../console.js';
import {cutLine, span, type Line} from '../text.js';
import {theme} from '../theme.js';
import {Row} from './Row.js';
import {Spinner} from './Spinner.js';

type Props = {readonly line: Line; readonly busy: boolean; readonly frame: Frame};

/** A row that says that something is on its way, with a spinner in front of it while it is. */
export function Busy({line, busy, frame: {tick, columns, glyphs}}: Props) {
	if (!busy) return <Row line={[span(' '), ...line]} />;
	return (
		<Text wrap="truncate">
			{' '}
			<Text {...theme.running}>
				<Spinner tick={tick} ascii={glyphs.ascii} />
			</Text>{' '}
			{cutLine(line, columns - 3, glyphs.cut).map((one, index) => (
				<Text key={index} {...theme[one.tone ?? 'plain']}>
					{one.text}
				</Text>
			))}
		</Text>
	);
}
