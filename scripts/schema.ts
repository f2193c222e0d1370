/**
 * Generates the JSON Schemas of the event stream and the manifest in docs/schema/, from their types; with `--check`
 * compares.
 */
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {format, resolveConfig} from 'prettier';
import {createGenerator} from 'ts-json-schema-generator';

const root = join(import.meta.dirname, '..');
const check = process.argv.includes('--check');
const schemas = [
	{file: 'event.schema.json', path: 'source/core/events.ts', type: 'RunEvent'},
	{file: 'manifest.schema.json', path: 'source/repository/manifest.ts', type: 'Manifest'},
];

mkdirSync(join(root, 'docs/schema'), {recursive: true});
for (const {file, path, type} of schemas) {
	const generator = createGenerator({
		path: join(root, path),
		tsconfig: join(root, 'tsconfig.json'),
		type,
		// Later additions must not break today's readers.
		additionalProperties: true,
		skipTypeCheck: true,
	});
	const target = join(root, 'docs/schema', file);
	const options = await resolveConfig(target);
	const text = await format(JSON.stringify(generator.createSchema(type)), {...options, parser: 'json'});
	if (!check) writeFileSync(target, text);
	else if (readOr(target) !== text) {
		console.error(`docs/schema/${file} lags behind ${path}: run npm run docs`);
		process.exitCode = 1;
	}
}

function readOr(path: string): string {
	try {
		return readFileSync(path, 'utf8');
	} catch {
		return ''; // the first time
	}
}
