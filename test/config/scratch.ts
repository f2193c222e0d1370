import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {type TestContext} from 'node:test';

/** A file with `text`, mode 0600, removed after the test. */
export async function scratch(t: TestContext, text: string): Promise<string> {
	const directory = await mkdtemp(join(tmpdir(), 'pg_back-config-'));
	t.after(() => rm(directory, {recursive: true}));
	const path = join(directory, 'pg_back.conf');
	await writeFile(path, text, {mode: 0o600});
	return path;
}
