/** What each part of a project's page is given. */
export interface PartProps {
  /** The project's id. */
  project: string;
  /** Whether the person may change what is shown; if not, it is only shown. */
  mayWrite: boolean;
}
