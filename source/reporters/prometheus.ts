/** The text format of Prometheus's textfile collector. */

export type Sample = {readonly labels?: Readonly<Record<string, string>>; readonly value: number};
export type Metric = {readonly name: string; readonly help: string; readonly samples: readonly Sample[]};

/** Returns the text of a file, in the exposition format of Prometheus; a metric without samples is omitted. */
export function printMetrics(metrics: readonly Metric[]): string {
	return metrics
		.filter(metric => metric.samples.length > 0)
		.map(({name, help, samples}) => {
			const lines = samples.map(({labels, value}) => `pg_back_${name}${printLabels(labels)} ${value}`);
			return [`# HELP pg_back_${name} ${help}`, `# TYPE pg_back_${name} gauge`, ...lines, ''].join('\n');
		})
		.join('');
}

/** Returns the text with `server` as the first label of every sample. */
export function withServerLabel(text: string, server: string): string {
	return text.replaceAll(
		/^(pg_back_\w+)(?:\{(.*)\})? (\S+)$/gm,
		(_, name: string, labels: string | undefined, value: string) =>
			`${name}${printLabels({server}).slice(0, -1)}${labels === undefined ? '' : `,${labels}`}} ${value}`,
	);
}

/** Removes that label, from text that an earlier run wrote. */
export function withoutServerLabel(text: string): string {
	return text
		.replaceAll(/^(pg_back_\w+\{)server="(?:[^"\\]|\\.)*",?/gm, '$1')
		.replaceAll(/^(pg_back_\w+)\{\} /gm, '$1 ');
}

function printLabels(labels: Sample['labels']): string {
	if (!labels) return '';
	return `{${Object.entries(labels)
		.map(([name, value]) => `${name}="${escapeLabel(value)}"`)
		.join(',')}}`;
}

const escapeLabel = (text: string) =>
	text
		.replaceAll('\\', String.raw`\\`)
		.replaceAll('"', String.raw`\"`)
		.replaceAll('\n', String.raw`\n`);

function unescapeLabel(text: string): string {
	return text.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}

/** Returns the samples of one of our metrics in an earlier file, by database. */
export function perDatabase(text: string, name: string): Map<string, number> {
	const pattern = new RegExp(String.raw`^pg_back_${name}\{database="((?:[^"\\]|\\.)*)"\} (\S+)$`);
	const found = new Map<string, number>();
	for (const line of text.split('\n')) {
		const [, label, value] = pattern.exec(line) ?? [];
		if (label !== undefined && value !== undefined) found.set(unescapeLabel(label), Number(value));
	}
	return found;
}

/** Returns the sample of one of our metrics without labels in an earlier file; 0 when there is none. */
export function single(text: string, name: string): number {
	return Number(new RegExp(String.raw`^pg_back_${name} (\S+)$`, 'm').exec(text)?.[1] ?? 0);
}
