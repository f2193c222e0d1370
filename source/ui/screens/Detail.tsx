import {ListPage} from '../components/ListPage.js';
import type {Frame} from '../console.js';
import {detailScreen} from '../layout/detail-screen.js';

/** Renders the details of one job. */
export function Detail({frame}: {readonly frame: Frame}) {
	return <ListPage frame={frame} {...detailScreen(frame)} />;
}
