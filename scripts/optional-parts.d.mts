/** Options of esbuild for what the packages of the program can do without; shared by the build and the benches. */
export declare const optionalParts: {readonly alias: Record<string, string>; readonly external: string[]};
