// Node's own modules without their ESM facades: `import {join} from 'node:path'` as a look-up of `process.getBuiltinModule`. A facade
// reads every export of its module when it is made, getters included, and so loads WebCrypto, the streams of node:fs and the console's
// terminal for a program that asks for none of them: an eighth of what a short run takes.
import {builtinModules} from 'node:module';

const names = new Set(builtinModules);
/** Of packages those that every run loads, and the SDK of S3; the other SDKs and the console import names that are dear. */
const everyRun =
	/node_modules[/\\](?:meow|ini|fastest-levenshtein|age-encryption|@noble|@scure|@aws-sdk|@aws|@smithy)[/\\]/;

/** A plugin of esbuild. What we import with `import()` stays as it is, for those who want a module only when they need it. */
export const builtinsWithoutFacades = {
	name: 'builtins-without-facades',
	setup({onResolve, onLoad}) {
		onResolve({filter: /^(?:node:)?[a-z\d_/]+$/}, ({path, kind, importer}) => {
			const name = path.replace(/^node:/, '');
			if (!names.has(name) && !names.has(`node:${name}`)) return undefined;
			const isPackage = importer.includes('node_modules');
			const isCovered = !isPackage || everyRun.test(importer);
			if (kind === 'import-statement' && isCovered)
				return {path: `node:${name}`, namespace: 'builtin', sideEffects: false};
			if (kind === 'require-call' || (kind === 'dynamic-import' && isPackage && isCovered))
				return {path: `node:${name}`, namespace: 'builtin-cjs'};
			return {path: `node:${name}`, external: true};
		});
		onLoad({filter: /.*/, namespace: 'builtin'}, ({path}) => {
			const exports = Object.keys(process.getBuiltinModule(path)).filter(
				name => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default',
			);
			const lines = exports.map(name => `const own_${name} = /* @__PURE__ */ get(${JSON.stringify(name)});`);
			// A pure call that nobody uses is left out, and with it the getter behind it.
			const contents = [
				`const all = process.getBuiltinModule(${JSON.stringify(path)});`,
				'const get = name => all[name];',
				'export default all;',
				...lines,
				...(exports.length > 0 ? [`export {${exports.map(name => `own_${name} as ${name}`).join(', ')}};`] : []),
			];
			return {contents: contents.join('\n'), loader: 'js'};
		});
		onLoad({filter: /.*/, namespace: 'builtin-cjs'}, ({path}) => ({
			contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
			loader: 'js',
		}));
	},
};
