import cliSpinners from 'cli-spinners';
import InkSpinner from 'ink-spinner';
import {asciiGlyphs, unicodeGlyphs} from '../glyphs.js';

/** Longer than any run: the timer that ink-spinner starts for each instance never fires. */
const never = 2 ** 31 - 1;

/**
 * ink-spinner moves every instance by a timer of its own, which would cost a frame each. Here each picture is a kind
 * with one frame, and the console's clock selects it: all spinners move together, on frames that are drawn anyway.
 */
const registered = cliSpinners as unknown as Record<
	string,
	{readonly interval: number; readonly frames: readonly string[]}
>;
for (const [set, {spinner}] of [['unicode', unicodeGlyphs] as const, ['ascii', asciiGlyphs] as const]) {
	for (const [index, picture] of spinner.entries())
		registered[`pg_back-${set}-${index}`] = {interval: never, frames: [picture]};
}

type Props = {readonly tick: number; readonly ascii: boolean};

export function Spinner({tick, ascii}: Props) {
	const {length} = ascii ? asciiGlyphs.spinner : unicodeGlyphs.spinner;
	const type = `pg_back-${ascii ? 'ascii' : 'unicode'}-${tick % length}`;
	return <InkSpinner type={type as 'dots'} />;
}
