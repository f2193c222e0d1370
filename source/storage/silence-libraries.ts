/**
 * Mutes the warnings that libraries of the vendors print about their own interface: they would appear between our log
 * lines and over the console's screen.
 */
export function silenceLibraries(): void {
	Object.assign(globalThis.console, {warn: () => undefined});
}
