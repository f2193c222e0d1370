// Fewer files to load: esbuild makes one for each set of lazy parts that share a module, and every file costs half a millisecond.
import {build} from 'esbuild';
import {writeFile} from 'node:fs/promises';
import {basename, join} from 'node:path';

/**
 * Joins all that `entryPoints` (sources) import statically into one file `name`; what it replaces gives on what is now there. What
 * earlier calls have joined stays where it is. `outputs` are those of esbuild's metafile, and are changed with the files.
 */
export async function joinChunks(directory, outputs, name, entryPoints) {
	const fileOf = new Map(Object.keys(outputs).map(path => [basename(path), path]));
	const roots = Object.keys(outputs).filter(path => entryPoints.includes(outputs[path].entryPoint));
	if (roots.length !== entryPoints.length) throw new Error(`where are all of ${entryPoints.join(', ')}?`);
	const chunks = [...closure(outputs, roots)].filter(path => !outputs[path].joined);
	const alias = (index, symbol) => `c${index}_${symbol}`;
	const naming = (index, direction) =>
		outputs[chunks[index]].exports
			.map(symbol => (direction === 'out' ? [symbol, alias(index, symbol)] : [alias(index, symbol), symbol]))
			.map(([from, to]) => `${from} as ${to}`)
			.join(',');
	const entry = chunks.map((path, index) => `export {${naming(index, 'out')}} from './${basename(path)}';`).join('\n');
	const keepOutside = {
		name: 'outside',
		setup({onResolve}) {
			onResolve({filter: /^\.\//}, ({path, kind}) => {
				const output = outputs[fileOf.get(basename(path))];
				const isInside = kind === 'import-statement' && (chunks.includes(fileOf.get(basename(path))) || output?.joined);
				return isInside ? undefined : {path, external: true};
			});
		},
	};
	const result = await build({
		stdin: {contents: entry, resolveDir: directory, sourcefile: name},
		bundle: true,
		write: false,
		format: 'esm',
		platform: 'node',
		target: 'node22.15',
		minifySyntax: true,
		minifyWhitespace: true,
		legalComments: 'eof',
		logLevel: 'warning',
		plugins: [keepOutside],
	});
	await writeFile(join(directory, name), result.outputFiles[0].contents);
	for (const [index, path] of chunks.entries()) {
		await writeFile(join(directory, basename(path)), `export{${naming(index, 'in')}}from'./${name}';\n`);
		outputs[path].joined = name;
	}
}

/** What importing `roots` loads at once, they included. */
function closure(outputs, roots) {
	const seen = new Set();
	const visit = path => {
		if (seen.has(path) || !outputs[path]) return;
		seen.add(path);
		for (const {path: imported, kind} of outputs[path].imports) if (kind === 'import-statement') visit(imported);
	};
	roots.forEach(visit);
	return seen;
}
