// Builds dist/: an ESM bundle with splitting, so that --version loads little and each remote and the console are lazy chunks.
import {build} from 'esbuild';
import {builtinsWithoutFacades} from './builtin-modules.mjs';
import {compileEagerly} from './eager-functions.mjs';
import {joinChunks} from './join-chunks.mjs';
import {widthsAtFirstCall} from './lazy-packages.mjs';
import {optionalParts} from './optional-parts.mjs';
import {execFileSync} from 'node:child_process';
import {chmod, copyFile, readFile, rename, rm, writeFile} from 'node:fs/promises';

/**
 * meow completes a package.json as npm would (licences, hosts of repositories), which takes longer to load than all else of the
 * command line; the one that it is given here has a name and nothing to complete.
 */
function trimMeow({onLoad}) {
	onLoad({filter: /[/\\]meow[/\\]build[/\\]dependencies\.js$/}, async ({path}) => {
		const text = await readFile(path, 'utf8');
		const eager = 'var normalizeExports = requireNormalize();';
		if (!text.includes(eager)) throw new Error(`${path}: where is its normalize-package-data?`);
		return {contents: text.replace(eager, 'var normalizeExports = () => undefined;'), loader: 'js'};
	});
}

const packageJson = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
const finalDirectory = new URL('../dist/', import.meta.url).pathname;
// Built aside and put in place at the end: a program that runs meanwhile finds all its chunks.
const outdir = `${finalDirectory.slice(0, -1)}.new-${process.pid}/`;
await rm(outdir, {recursive: true, force: true});
const common = {
	outdir,
	bundle: true,
	format: 'esm',
	platform: 'node',
	// ES modules of packages that have both kinds: of the SDK of S3, two thirds are left out.
	mainFields: ['module', 'main'],
	target: 'node22.15',
	minifySyntax: true,
	minifyWhitespace: true,
	legalComments: 'linked',
	define: {'process.env.NODE_ENV': '"production"', PG_BACK_VERSION: JSON.stringify(packageJson.version)},
	logLevel: 'warning',
};
const source = path => new URL(`../source/${path}`, import.meta.url).pathname;
const result = await build({
	...common,
	entryPoints: [source('cli.ts')],
	splitting: true,
	metafile: true,
	...optionalParts,
	banner: {
		// Only optional native parts are required by name at run time.
		js: "const require=id=>process.getBuiltinModule('node:module').createRequire(import.meta.url)(id),__filename=import.meta.filename,__dirname=import.meta.dirname;",
	},
	plugins: [{name: 'meow-without-npm', setup: trimMeow}, builtinsWithoutFacades, widthsAtFirstCall],
});
// A thread's own program: shared with nothing, so that it does not split what the others share.
await build({...common, entryPoints: [source('stages/pipeline-worker.ts')], plugins: [builtinsWithoutFacades]});
const {outputs} = result.metafile;
await joinChunks(common, outputs, 'program.js', [
	'source/cli.ts',
	'source/cli/parse.ts',
	'source/cli/help-topic.ts',
	'node_modules/meow/build/index.js',
	'source/config/configuration.ts',
	'source/cli/setting-problems.ts',
	'source/cli/run.ts',
	'source/backup/backup.ts',
	'source/runs/status-socket.ts',
]);
await joinChunks(common, outputs, 'encryption.js', [
	'source/stages/age/key-problems.ts',
	'source/stages/age/load-keys.ts',
	'source/stages/age/encrypt.ts',
]);
// What all stores need, then the SDK of S3 with what uses it. Each is loaded only when one of its commands asks for it.
await joinChunks(common, outputs, 'remote.js', [
	'source/storage/http.ts',
	'source/storage/local/local.ts',
	'source/cli/list-remote.ts',
	'source/repository/check-age.ts',
]);
const others = ['gcs/gcs', 'azure/azure', 'sftp/sftp'].map(store => `source/storage/${store}.ts`);
await joinChunks(common, outputs, 's3.js', ['source/storage/s3/s3.ts'], {except: others});
for (const name of ['program.js', 'encryption.js']) await compileEagerly(`${outdir}${name}`);
await writeFile(`${outdir}meta.json`, JSON.stringify(result.metafile));
for (const name of ['launch.cjs', 'pg_back.cjs']) await copyFile(source(name), `${outdir}${name}`);
await chmod(`${outdir}pg_back.cjs`, 0o755);
// What is only printed needs no program (pg_back.cjs): the program has printed it here.
for (const name of ['version', 'help']) {
	const env = {...process.env, NODE_DISABLE_COMPILE_CACHE: '1'};
	await writeFile(`${outdir}${name}.txt`, execFileSync(process.execPath, [`${outdir}pg_back.cjs`, `--${name}`], {env}));
}
await copyFile(new URL('../pg_back.conf', import.meta.url), `${outdir}pg_back.conf`);
const old = `${finalDirectory.slice(0, -1)}.old-${process.pid}`;
await rename(finalDirectory, old).catch(() => undefined); // the first build
await rename(outdir, finalDirectory);
await rm(old, {recursive: true, force: true});
