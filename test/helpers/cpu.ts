/** Returns the milliseconds of processor time that this process has used: such a limit also holds on a busy host. */
export function cpuMilliseconds(): number {
	const {user, system} = process.cpuUsage();
	return (user + system) / 1000;
}
