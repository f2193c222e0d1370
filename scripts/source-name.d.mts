/** Returns the name that a function of the build has in the source: without the number that esbuild may append. */
export declare function sourceName(name: string): string;
