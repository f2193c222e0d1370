/** Completion of paths as they are typed, as a shell does it. */
import {readdir, stat} from 'node:fs/promises';
import {join} from 'node:path';

export type PathCompletion = {
	/** As much as is certain. */
	readonly text: string;
	/** The names that it may go on with, those of directories with a slash; none when the path is whole, or there is no such path. */
	readonly candidates: readonly string[];
};

const mostCandidates = 100;

/** Names with a leading dot are found only when the dot was typed. A `~/` becomes the home directory. */
export async function completePath(typed: string, home: string | undefined): Promise<PathCompletion> {
	const text = expandHome(typed, home);
	const start = text.lastIndexOf('/') + 1;
	const [directory, part] = [text.slice(0, start), text.slice(start)];
	const entries = await readdir(directory === '' ? '.' : directory, {withFileTypes: true}).catch(() => []);
	const matching = entries.filter(({name}) => name.startsWith(part) && (part.startsWith('.') || !name.startsWith('.')));
	const names = await Promise.all(
		matching.slice(0, mostCandidates).map(async entry => {
			const isDirectory =
				entry.isDirectory() || (entry.isSymbolicLink() && (await pointsToDirectory(join(directory, entry.name))));
			return isDirectory ? `${entry.name}/` : entry.name;
		}),
	);
	const [first = ''] = names;
	if (names.length === 0) return {text, candidates: []};
	if (names.length === 1) return {text: directory + first, candidates: []};
	const common = matching.map(({name}) => name).reduce(commonStart);
	return {text: directory + common, candidates: names.toSorted()};
}

/** `path` with the home directory in place of a leading `~/`. */
export function expandHome(path: string, home: string | undefined): string {
	return home !== undefined && home !== '' && path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

async function pointsToDirectory(path: string): Promise<boolean> {
	return stat(path).then(
		stats => stats.isDirectory(),
		() => false, // a dangling link
	);
}

function commonStart(a: string, b: string): string {
	let length = 0;
	while (length < a.length && a[length] === b[length]) length++;
	return a.slice(0, length);
}
