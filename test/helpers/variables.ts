/** Environment variables of the test's own process. */

/** Sets `variables` while `work` runs, and restores what was there before. */
export async function withVariables<T>(
	variables: Readonly<Record<string, string>>,
	work: () => Promise<T>,
): Promise<T> {
	const names = Object.keys(variables);
	const before = names.map(name => [name, process.env[name]] as const);
	Object.assign(process.env, variables);
	try {
		return await work();
	} finally {
		for (const [name, value] of before) {
			if (value === undefined) Reflect.deleteProperty(process.env, name);
			else process.env[name] = value;
		}
	}
}
