/** Hides the passwords of URLs, also of those that are not quite URLs: `redis://user:***@host`. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/([a-z]+:\/\/)?([^\s:@/"]*):(?!\/\/)[^\s"]*@/gi, '$1$2:***@')
    .replace(/([?&]password=)[^&\s"]*/gi, '$1***');
}
