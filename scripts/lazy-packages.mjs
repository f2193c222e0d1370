// Packages that are evaluated at their first call instead of when they are loaded.
import {createRequire} from 'node:module';

const {resolve} = createRequire(import.meta.url);

/**
 * A plugin of esbuild for what `lib/width.ts` imports: evaluating string-width and cli-truncate makes segmenters and expressions over
 * all of Unicode, 3 MiB of ICU's data, and a run whose names are ASCII calls neither.
 */
export const widthsAtFirstCall = {
	name: 'widths-at-first-call',
	setup({onResolve, onLoad}) {
		onResolve({filter: /^(?:string-width|cli-truncate)$/}, ({path, importer}) =>
			/[/\\]source[/\\]lib[/\\]width\.ts$/.test(importer)
				? {path, namespace: 'first-call', sideEffects: false}
				: undefined,
		);
		onLoad({filter: /.*/, namespace: 'first-call'}, ({path}) => ({
			contents: `let own; export default (...given) => (own ??= require(${JSON.stringify(resolve(path))}).default)(...given);`,
			loader: 'js',
			resolveDir: import.meta.dirname,
		}));
	},
};
