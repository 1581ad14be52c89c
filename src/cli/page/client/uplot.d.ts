/** The charts: served from the package `uplot` as /uplot.js. */
export { default } from 'uplot';
