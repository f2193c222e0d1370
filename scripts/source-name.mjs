// Names of functions in the build. Plain JavaScript without TypeScript's compiler, which takes long to load.

// `plan2` is what esbuild calls the second `plan` of a file: its number changes with the others.
export const sourceName = name => name.replace(/\d+$/, '');
