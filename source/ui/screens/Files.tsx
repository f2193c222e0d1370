import {ListPage} from '../components/ListPage.js';
import type {Frame} from '../console.js';
import {filesScreen} from '../layout/files-screen.js';

/** Renders the dumps, runs or names at one location. */
export function Files({frame}: {readonly frame: Frame}) {
	return <ListPage frame={frame} {...filesScreen(frame)} busy={frame.files.state() === 'listing'} />;
}
