// Fewer files to load: esbuild makes one for each set of lazy parts that share a module, and every file costs half a millisecond.
import {build} from 'esbuild';
import {writeFile} from 'node:fs/promises';
import {basename, join} from 'node:path';

/**
 * Joins all that `entryPoints` (sources) import statically into one file `name`; what it replaces gives on what is now there. What
 * earlier calls have joined stays where it is. `options` are those of the build, in whose outdir the files are; `outputs` are those of
 * esbuild's metafile, and are changed with the files. What the entry points `except` import too stays a file of its own.
 */
export async function joinChunks(options, outputs, name, entryPoints, {except = []} = {}) {
	const fileOf = new Map(Object.keys(outputs).map(path => [basename(path), path]));
	const shared = closure(outputs, filesOf(outputs, except));
	const chunks = [...closure(outputs, filesOf(outputs, entryPoints))].filter(
		path => !outputs[path].joined && !shared.has(path),
	);
	// Two chunks may use one name for different things.
	const names = chunks.map((path, index) => outputs[path].exports.map(own => ({own, joined: `c${index}_${own}`})));
	const entry = chunks.map((path, index) => {
		const list = names[index].map(({own, joined}) => `${own} as ${joined}`);
		return `export {${list.join(',')}} from './${basename(path)}';`;
	});
	// A lazy import of what is here gets a namespace that is here too. esbuild would put all its modules into functions that V8 compiles
	// when they are called: too late for the compile cache.
	const lazy = new Map();
	for (const path of lazyIn(outputs, chunks)) {
		lazy.set(basename(path), `lazy_${lazy.size}`);
		entry.push(`export * as ${lazy.get(basename(path))} from './${basename(path)}';`);
	}
	const keepOutside = {
		name: 'outside',
		setup({onResolve}) {
			onResolve({filter: /^\.\//}, ({path, kind}) => {
				const file = fileOf.get(basename(path));
				const isInside = kind === 'import-statement' && (chunks.includes(file) || outputs[file]?.joined);
				return isInside ? undefined : {path, external: true};
			});
		},
	};
	const result = await build({
		...options,
		stdin: {contents: entry.join('\n'), resolveDir: options.outdir, sourcefile: name},
		write: false,
		legalComments: 'eof',
		plugins: [keepOutside],
	});
	const [{text}] = result.outputFiles;
	const joinedText = text.replaceAll(/\bimport\("\.\/([^"]+)"\)/g, (call, file) =>
		// After all has been evaluated, as an import is.
		lazy.has(file) ? `import("./${name}").then(all=>all.${lazy.get(file)})` : call,
	);
	const contents = Buffer.from(joinedText);
	// esbuild escapes all but regular expressions. One character beyond Latin-1 makes two bytes of each in memory, and decoding
	// the file takes longer than compiling it.
	if (contents.some(byte => byte > 0x7f)) throw new Error(`${name}: escape what is not ASCII in regular expressions`);
	await writeFile(join(options.outdir, name), contents);
	for (const [index, path] of chunks.entries()) {
		const list = names[index].map(({own, joined}) => `${joined} as ${own}`);
		await writeFile(join(options.outdir, basename(path)), `export{${list.join(',')}}from'./${name}';\n`);
		outputs[path].joined = name;
	}
}

function filesOf(outputs, entryPoints) {
	const found = Object.keys(outputs).filter(path => entryPoints.includes(outputs[path].entryPoint));
	if (found.length !== entryPoints.length) throw new Error(`where are all of ${entryPoints.join(', ')}?`);
	return found;
}

/** Those of `chunks` that one of them imports lazily. */
function lazyIn(outputs, chunks) {
	const imported = chunks.flatMap(path => outputs[path].imports.filter(({kind}) => kind === 'dynamic-import'));
	return [...new Set(imported.map(({path}) => path))].filter(path => chunks.includes(path));
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
