export type PostgresInstallation = {
	readonly major: number;
	readonly binDirectory: string;
};
export declare const root: string;
export declare const toolsDirectory: string;
export declare const debianDirectory: string;
export declare const serversDirectory: string;
/** The path of a command: on PATH, in the sbin folders, or unpacked by the set-up. */
export declare function findTool(name: string): string | undefined;
/** Every server (initdb, pg_ctl, postgres) that can be started, oldest major first. */
export declare function postgresServers(): PostgresInstallation[];
/** Every set of clients (pg_dump, pg_dumpall, pg_restore, psql), oldest major first. */
export declare function postgresClients(): PostgresInstallation[];
/** The folder of a package of tools/package.json. */
export declare function serverPackage(name: string): string | undefined;
/** What the set-up could not get, and why. */
export declare function unavailable(): Readonly<Record<string, {readonly reason: string; readonly at: string}>>;
