/** Options of esbuild for what the packages of the program can do without; shared by the build and the benches. */
export const optionalParts = {
	// Ink asks for the devtools only in development; ssh2's native parts are optional (it falls back to JS).
	alias: {'react-devtools-core': new URL('stub.mjs', import.meta.url).pathname},
	external: ['cpu-features', '*.node'],
};
