/** Splits text that arrives in pieces into lines; a line longer than `maxLength` characters is truncated. */
export function createLineSplitter(onLine: (line: string) => void, maxLength = 16_384) {
	let rest = '';
	let dropping = false;
	const give = (line: string) => {
		if (dropping) dropping = false;
		else onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
	};
	return {
		push(text: string): void {
			const pieces = (rest + text).split('\n');
			rest = pieces.pop() ?? '';
			for (const piece of pieces) give(piece.slice(0, maxLength));
			if (rest.length > maxLength) {
				give(rest.slice(0, maxLength));
				rest = '';
				dropping = true;
			} else if (dropping) rest = '';
		},
		end(): void {
			if (rest !== '' && !dropping) give(rest);
			rest = '';
		},
	};
}
