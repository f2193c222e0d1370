/** The end of the demo: what was done, in a few lines. */
export type ReportRow = readonly [label: string, text: string];

const width = 100;

/** Long texts are wrapped between words, under their beginning. */
export function printReport(say: (line: string) => void, rows: readonly ReportRow[]): void {
	const labels = Math.max(...rows.map(([label]) => label.length));
	say('');
	say('In short');
	for (const [label, text] of rows) {
		for (const [index, line] of wrap(text, width - labels - 4).entries())
			say(`  ${(index === 0 ? label : '').padEnd(labels)}  ${line}`);
	}
}

function wrap(text: string, room: number): readonly string[] {
	const lines: string[] = [];
	let line = '';
	for (const word of text.split(' ')) {
		if (line !== '' && line.length + 1 + word.length > room) {
			lines.push(line);
			line = word;
		} else line = line === '' ? word : `${line} ${word}`;
	}
	return [...lines, line];
}
