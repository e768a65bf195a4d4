/** A file beside a DAG may be imported as text: it is bundled with the DAG, and so pinned for each run. */
declare module "*.csv" {
  const text: string;
  export default text;
}
